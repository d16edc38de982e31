import { clientChecks } from "./client-checks.ts";
import { startTestPlatform } from "./fixture.ts";

clientChecks((databaseUrl) => startTestPlatform(databaseUrl));
