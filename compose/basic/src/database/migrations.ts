/**
 * The schema, one step a version. A released entry is never edited; changes are appended.
 *
 * Message content is `json`, not `jsonb`: it is what the source sent, in full, and `jsonb` refuses `\u0000` and lone surrogates.
 */
import type { Client } from "pg";
import { version1 } from "./migrations/version-1.ts";
import { version2 } from "./migrations/version-2.ts";
import { version3 } from "./migrations/version-3.ts";
import { version4 } from "./migrations/version-4.ts";
import { version5 } from "./migrations/version-5.ts";
import { version6 } from "./migrations/version-6.ts";
import { version7 } from "./migrations/version-7.ts";

type Migration = string | ((client: Client) => Promise<void>);

export const migrations: readonly Migration[] = [version1, version2, version3, version4, version5, version6, version7];
