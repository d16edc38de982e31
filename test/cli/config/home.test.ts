import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { stateHome } from "../../../cli/config/home.ts";

test("is where the XDG base directory specification says, whole paths only", () => {
  const dir = os.tmpdir();
  expect(stateHome({ XDG_STATE_HOME: "/x/state", HOME: dir })).toBe("/x/state/airy");
  expect(stateHome({ XDG_STATE_HOME: "state", HOME: dir })).toBe(path.join(dir, ".local/state/airy"));
  for (const HOME of ["", "somewhere", undefined]) expect(stateHome({ HOME })).toBe(stateHome({ HOME: os.userInfo().homedir }));
});
