/** What a database error means for the request that met it. */
import { DatabaseError } from "pg";

/** The data itself is refused (class 21, 22, 23, or over a limit, 54): the same statement would fail again. */
export function isDataFault(error: unknown): boolean {
  return error instanceof DatabaseError && /^(21|22|23|54)/.test(error.code ?? "");
}

/** Two transactions met in different order; the same statement succeeds when it is repeated. */
export function isSerialization(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === "40P01" || error.code === "40001");
}

/**
 * Postgres is away, starting, stopping, out of resources or too slow. Errors without an SQLSTATE come from the socket or from the pool,
 * which have no common class.
 */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseError) return /^(08|25006|53|57|58|40)/.test(error.code ?? "");
  if (!(error instanceof Error)) return false;
  if ("code" in error && typeof error.code === "string" && /^E[A-Z_]+$/.test(error.code)) return true;
  return /terminat|timeout|not queryable|pool after calling end/i.test(error.message);
}

/** One line, never with the connection's password. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(describeError).join("; ");
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? ` (${error.code})` : "";
  return `${error.message}${code}`.replaceAll(/\s+/g, " ");
}
