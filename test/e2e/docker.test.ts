import { describe } from "vitest";
import { hasDocker } from "../support/docker.ts";
import { journey } from "./journey.ts";

describe.skipIf(!hasDocker)("engine docker, from up to destroy", () => journey("docker"));
