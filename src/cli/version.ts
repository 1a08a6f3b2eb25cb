/** Set by scripts/build.mjs; tests that run from the sources see "dev". */
declare const BYPASS_SETUP_VERSION: string | undefined;

export const VERSION = typeof BYPASS_SETUP_VERSION === 'undefined' ? 'dev' : BYPASS_SETUP_VERSION;
