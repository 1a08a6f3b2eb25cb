import type { FullReport } from './report.ts';
import type { Style } from './terminal.ts';

/** `verbose` is for a reader on a terminal; the other formats give all there is. */
type CheckRenderer = (report: FullReport, style: Style, verbose: boolean) => string;

interface CheckFormat {
  /** Shows the host too, so that all of it is looked at and the machine is asked for its name. */
  readonly whole?: true;
  /** A renderer costs the start of the others nothing. */
  readonly load: () => Promise<CheckRenderer>;
}

/** Every form in which `check` gives its result. */
export const CHECK_FORMATS = {
  text: {
    load: async () => {
      const { renderCheck } = await import('./check-text.ts');
      return ({ check }, style, verbose) => renderCheck(check, style, verbose);
    },
  },
  json: {
    load: async () => (report) => `${JSON.stringify(report.check, null, 2)}\n`,
  },
  junit: { load: async () => (await import('./check-junit.ts')).renderJunit },
  prometheus: {
    load: async () => (await import('./check-prometheus.ts')).renderPrometheus,
  },
  goss: { load: async () => (await import('./check-goss.ts')).renderGoss },
  html: {
    whole: true,
    load: async () => (await import('./check-html.ts')).renderHtml,
  },
} as const satisfies Record<string, CheckFormat>;

export type CheckFormatName = keyof typeof CHECK_FORMATS;

export function checkFormat(name: CheckFormatName): CheckFormat {
  return CHECK_FORMATS[name];
}
