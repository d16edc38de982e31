import { describe } from "vitest";
import { hasDocker } from "../support/docker.ts";
import { upkeep } from "./upkeep.ts";

describe("engine embedded, from a backup to the next", () => upkeep("embedded", "embedded"));
describe.skipIf(!hasDocker)("from engine embedded to docker", () => upkeep("embedded", "docker"));
describe.skipIf(!hasDocker)("from engine docker to embedded", () => upkeep("docker", "embedded"));
