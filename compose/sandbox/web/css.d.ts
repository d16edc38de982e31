/** esbuild writes imported style sheets to `main.css`. */
declare module "*.css";
