/** Keeps secrets out of everything that is printed or logged. */
const DOTS = "********";

export class Masker {
  readonly #secrets = new Set<string>();

  /** Values shorter than 6 characters would blot out ordinary words and are left alone. */
  hide(secret: string | null | undefined): void {
    if (!secret || secret.length < 6) return;
    this.#secrets.add(secret);
    // Inside JSON the value appears escaped.
    this.#secrets.add(JSON.stringify(secret).slice(1, -1));
  }

  mask(text: string): string {
    let masked = text;
    for (const secret of this.#secrets) masked = masked.replaceAll(secret, DOTS);
    return masked;
  }
}
