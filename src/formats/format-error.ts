/** Text that is not what its grammar allows. The message quotes at most a line of it. */
export class FormatError extends Error {
  override readonly name = 'FormatError';

  constructor(kind: string, text: string, why: string) {
    super(`not a ${kind}: ${quote(text)} (${why})`);
  }
}

/** Foreign text made safe for a terminal (control, line and direction marks) and short enough for a line. */
export function quote(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
