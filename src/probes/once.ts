import type { Answer, KernelAnswers, Question } from '../host/host.ts';
import { PassingHost } from '../host/passing-host.ts';

/** The tables of /proc, and not what stands below a number there: a process. */
const TABLE = /^\/proc\/[^0-9]+$/;
/**
 * Attributes with two readers, of which a large host has hundreds: the class of every PCI function, the masks of queues, the
 * affinity of interrupts, the limits of frequencies.
 */
const SHARED =
  /^\/sys\/(?:bus\/pci\/devices\/[^/]+\/class$|class\/net\/[^/]+\/queues\/|devices\/system\/cpu\/cpufreq\/)|^\/proc\/irq\//;

/**
 * The host as one observation sees it: each table of /proc and each answer of the kernel is taken once, so that probes
 * that look at the same one agree, and the kernel makes it only once. Other attributes in /sys have one reader each.
 */
export class OnceHost extends PassingHost {
  private readonly texts = new Map<string, string | undefined>();
  private readonly answers = new Map<Question, Answer<unknown>>();

  override readText(path: string): string | undefined {
    if (!TABLE.test(path) && !SHARED.test(path)) return this.host.readText(path);
    if (!this.texts.has(path)) this.texts.set(path, this.host.readText(path));
    return this.texts.get(path);
  }

  override ask<Q extends Question>(question: Q): Answer<KernelAnswers[Q]> {
    const known = this.answers.get(question) as Answer<KernelAnswers[Q]> | undefined;
    const answer = known ?? this.host.ask(question);
    this.answers.set(question, answer);
    return answer;
  }
}
