/** What a change is about and what it does, in one line that names its target once. */
export function changeTitle({
  target,
  summary,
}: {
  readonly target: string;
  readonly summary: string;
}): string {
  return summary.includes(target) ? summary : `${target}: ${summary}`;
}
