import { describe } from "vitest";
import { journey } from "./journey.ts";

describe("engine embedded, from up to destroy", () => journey("embedded"));
