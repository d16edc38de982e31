/** Templates are bundled as text (esbuild's loader; under vitest a plugin). */
declare module "*.yaml" {
  const text: string;
  export default text;
}

declare module "*.html" {
  const text: string;
  export default text;
}

declare module "*.conf" {
  const text: string;
  export default text;
}

declare module "*.txt" {
  const text: string;
  export default text;
}
