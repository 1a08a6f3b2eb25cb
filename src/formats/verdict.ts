/** What a verdict means as the result of one finding. */
export const RESULT_OF = { ready: 'pass', 'not-ready': 'fail', 'cannot-know': 'unknown' } as const;
