/** How the machine would introduce itself: decoration of a written report, never an input of a judgement. */
export interface Identity {
  readonly hostname: string;
  readonly distribution: string;
  readonly processor: string;
  readonly system: string;
}

/**
 * Asks systeminformation, which starts programs (lscpu, dmidecode, …) and can only look at the running machine: so
 * only for a report that is written to a file, and never for longer than `patience` milliseconds.
 */
export async function identify(patience: number): Promise<Identity | undefined> {
  const { cpu, osInfo, system } = (await import('systeminformation')).default;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, patience, undefined);
  });
  const asked = Promise.all([osInfo(), cpu(), system()]).then(([os, processor, box]) => ({
    hostname: os.fqdn || os.hostname,
    distribution: [os.distro, os.release, os.codename].filter(Boolean).join(' '),
    processor: [processor.manufacturer, processor.brand].filter(Boolean).join(' '),
    system: [box.manufacturer, box.model].filter(Boolean).join(' '),
  }));
  try {
    return await Promise.race([asked, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
