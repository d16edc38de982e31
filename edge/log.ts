/** Where an edge says what happens. What is out of order without ending anything is a warning. */
export type Log = (line: string, level?: "warn") => void;
