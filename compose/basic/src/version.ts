/** The release of Airy Core whose API this is. */
export const AIRY_VERSION = "0.56.0";
