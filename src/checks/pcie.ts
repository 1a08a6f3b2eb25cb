import type { Fact, Facts, PciBridge, PciFunction } from '../probes/facts.ts';
import { defineCheck, type Judgement } from './define.ts';
import { dataNics, evidence, hiddenNics } from './evidence.ts';

const WHY =
  'a link that is narrow, sleeps, splits its reads or repeats packets costs microseconds, and drops packets in bursts';
/** What Device Control holds after a reset (PCI Express Base Specification 5.0, 7.5.3.4). */
const READ_REQUEST = 512;

type Link = NonNullable<PciFunction['link']['value']>;
/** What is wrong, or undefined where it is right; the subject is the NIC. */
type Flaw = Omit<Judgement, 'subject'>;

/** [J11] Physical data NICs. A virtual function has the link and the settings of its physical one. */
export const pcieCheck = defineCheck('pcie', WHY, ({ pci, userspaceIo, machine }, named) => {
  if (machine.hypervisor.value !== undefined) {
    const sentence = 'what a virtual machine sees of a link is what its hypervisor made up';
    return [{ subject: 'host', result: 'skip', sentence, evidence: [evidence(machine.hypervisor)] }];
  }
  const hidden = hiddenNics(pci.networkFunctions);
  if (hidden.length > 0) return hidden;
  const nics = dataNics(pci.networkFunctions, named).filter(
    ({ physicalFunction, maxPayload }) =>
      physicalFunction.absent !== undefined && maxPayload.absent !== 'garbled',
  );
  if (nics.length === 0) {
    const sentence = 'no physical NIC is bound to a user-space driver, or named by a profile';
    return [{ subject: 'host', result: 'skip', sentence, evidence: [] }];
  }
  return nics.flatMap((nic) => {
    const port = pci.bridges.find(({ address }) => address === nic.upstream.at(-1));
    const flaws = [
      linkFlaw(nic, port),
      ...sleepFlaws(nic, port),
      ...requestFlaws(nic, port),
      ...errorFlaws(nic, pci.bridges),
      powerFlaw(nic, userspaceIo),
    ].filter((flaw) => flaw !== undefined);
    return flaws.length === 0 ? [healthy(nic)] : flaws.map((flaw) => ({ subject: nic.address, ...flaw }));
  });
});

function healthy(nic: PciFunction): Judgement {
  const { link, aspm, maxReadRequest, errors } = nic;
  const seen = [
    evidence(link, undefined, describe),
    evidence(aspm),
    evidence(maxReadRequest),
    evidence(errors, undefined, print),
  ];
  const known = seen.filter((_, index) => [link, aspm, maxReadRequest, errors][index]?.absent === undefined);
  if (known.length === 0) {
    const sentence = 'not a PCI Express device, or one that tells nothing of its link';
    return { subject: nic.address, result: 'skip', sentence, evidence: seen };
  }
  const width = link.value === undefined ? '' : `${describe(link.value)}; `;
  return {
    subject: nic.address,
    result: 'pass',
    sentence: `${width}nothing is wrong with its link, power state and error counters`,
    evidence: known,
  };
}

const describe = ({ speed, width }: Link) => `${speed} x${width}`;
const print = (value: object) =>
  Object.entries(value)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

/** `16.0 GT/s PCIe`; some kernels print `Unknown` for a link of a virtual machine. */
const speedOf = (text: string) => Number.parseFloat(text);

function linkFlaw({ link }: PciFunction, port: PciBridge | undefined): Flaw | undefined {
  if (link.value === undefined) return unread(link, 'speed and width of its link');
  const { speed, width, maxSpeed, maxWidth } = link.value;
  const [now, most] = [speedOf(speed), speedOf(maxSpeed)];
  if (Number.isNaN(now) || Number.isNaN(most) || width === 0 || maxWidth === 0) return undefined;
  if (now >= most && width >= maxWidth) return undefined;
  const slot = port?.link.value;
  const could = slot && {
    speed: Math.min(most, speedOf(slot.maxSpeed)),
    width: Math.min(maxWidth, slot.maxWidth),
  };
  const seen = [
    evidence(link, `${maxSpeed} x${maxWidth}`, describe),
    ...(port === undefined
      ? []
      : [
          evidence(
            port.link,
            undefined,
            ({ maxSpeed: top, maxWidth: lanes }: Link) => `the slot can do ${top} x${lanes}`,
          ),
        ]),
  ];
  const sentence = `its link runs at ${describe(link.value)}`;
  if (could === undefined || Number.isNaN(could.speed)) {
    return {
      result: 'unknown',
      sentence: `${sentence}, and the card can do ${maxSpeed} x${maxWidth}; what its slot can do is not known`,
      evidence: seen,
      remedy: 'look for the slot in the manual of the board',
    };
  }
  if (now < could.speed || width < could.width) {
    return {
      result: 'fail',
      sentence: `${sentence}, while card and slot can do ${could.speed.toFixed(1)} GT/s x${could.width}: it was trained down`,
      evidence: seen,
      remedy: 'seat the card again, or put it into another slot; then look at its error counters',
    };
  }
  return {
    result: 'warn',
    sentence: `${sentence}: the slot cannot do more, the card can do ${maxSpeed} x${maxWidth}`,
    evidence: seen,
    remedy: 'put the card into a slot with all of its lanes',
  };
}

/** Both ends must have it on for the link to sleep; one that has is found, as the other may follow with any driver. */
function sleepFlaws(nic: PciFunction, port: PciBridge | undefined): Flaw[] {
  const ends = [
    ['it', nic.aspm] as const,
    ...(port === undefined ? [] : [[`the port above it (${port.address})`, port.aspm] as const]),
  ];
  return ends.flatMap(([who, aspm]): Flaw[] => {
    if (aspm.value === undefined) {
      const flaw = unread(aspm, `whether ${who} lets the link sleep (ASPM)`);
      return flaw === undefined ? [] : [flaw];
    }
    if (aspm.value === 'disabled') return [];
    return [
      {
        result: 'fail',
        sentence: `${who} lets the link sleep: ASPM ${aspm.value}`,
        evidence: [evidence(aspm, 'disabled')],
        remedy:
          'echo performance > /sys/module/pcie_aspm/parameters/policy; if that is refused, boot with pcie_aspm=off or turn ASPM off in the firmware',
      },
    ];
  });
}

function requestFlaws(nic: PciFunction, port: PciBridge | undefined): Flaw[] {
  const { maxReadRequest, maxPayload, maxPayloadSupported } = nic;
  const flaws: Flaw[] = [];
  if (maxReadRequest.value === undefined) {
    const flaw = unread(maxReadRequest, 'how much it reads at once');
    return flaw === undefined ? [] : [flaw];
  }
  if (maxReadRequest.value < READ_REQUEST) {
    flaws.push({
      result: 'fail',
      sentence: `it reads at most ${maxReadRequest.value} bytes at once, so that a packet takes several requests`,
      evidence: [evidence(maxReadRequest, `at least ${READ_REQUEST}`)],
      remedy: `setpci -s ${nic.address} CAP_EXP+8.w=2000:7000, and find out what set it: firmware, or pci=pcie_bus_perf`,
    });
  }
  const payload = maxPayload.value;
  const above = port?.maxPayload.value;
  if (payload === undefined || above === undefined || port === undefined) return flaws;
  if (payload > above) {
    flaws.push({
      result: 'fail',
      sentence: `it sends payloads of ${payload} bytes, and the port above it takes ${above}: such packets are malformed`,
      evidence: [evidence(maxPayload, `${above}`), evidence(port.maxPayload)],
      remedy: 'boot with pci=pcie_bus_safe, or correct the firmware',
    });
  } else if (payload < Math.min(maxPayloadSupported.value ?? payload, above)) {
    flaws.push({
      result: 'warn',
      sentence: `it sends payloads of ${payload} bytes, and could send ${Math.min(maxPayloadSupported.value ?? payload, above)}`,
      evidence: [evidence(maxPayload), evidence(maxPayloadSupported), evidence(port.maxPayload)],
      remedy: 'raise it in the firmware, or boot with pci=pcie_bus_safe',
    });
  }
  return flaws;
}

/** Counters since boot: what is corrected was sent again, by the NIC or by a bridge on its way. */
function errorFlaws(nic: PciFunction, bridges: readonly PciBridge[]): Flaw[] {
  const way = bridges.filter(({ address }) => nic.upstream.includes(address));
  return [nic, ...way].flatMap(({ address, errors }): Flaw[] => {
    if (errors.value === undefined) {
      // Virtual machines and many root ports have none.
      return errors.absent === 'missing'
        ? []
        : [unread(errors, 'the errors of its link')].filter((flaw) => flaw !== undefined);
    }
    const { correctable, nonfatal, fatal } = errors.value;
    if (correctable + nonfatal + fatal === 0) return [];
    const bad = nonfatal + fatal > 0;
    const who = address === nic.address ? 'its link' : `the bridge ${address} on its way`;
    return [
      {
        result: bad ? 'fail' : 'warn',
        sentence: bad
          ? `${who} counts ${nonfatal + fatal} uncorrected errors`
          : `${who} counts ${correctable} corrected errors`,
        evidence: [evidence(errors, 'none', print)],
        remedy: 'watch whether they grow (aer_dev_correctable); seat the card again, or try another slot',
      },
    ];
  });
}

/**
 * vfio-pci lets a device sleep that nobody has open, and wakes it with the first open (drivers/vfio/pci/vfio_pci_core.c,
 * vfio_pci_core_register_device), so that its power/control says nothing.
 */
function powerFlaw(
  { driver, powerState, powerControl, iommuGroup }: PciFunction,
  { holders }: Facts['userspaceIo'],
): Flaw | undefined {
  const vfio = driver.value === 'vfio-pci';
  const held = holders.value?.some(({ path }) => path === `/dev/vfio/${iommuGroup.value}`) === true;
  const state = powerState.value;
  if (state !== undefined && state !== 'D0' && state !== 'unknown' && (!vfio || held)) {
    return {
      result: 'fail',
      sentence: `it sleeps (${state}) while it is in use`,
      evidence: [evidence(powerState, 'D0'), evidence(powerControl)],
      remedy: vfio ? 'load vfio-pci with disable_idle_d3=1' : `echo on > ${powerControl.from}`,
    };
  }
  if (vfio || powerControl.value !== 'auto') return undefined;
  return {
    result: 'fail',
    sentence: 'the kernel may put it to sleep whenever it is idle (runtime power management)',
    evidence: [evidence(powerControl, 'on')],
    remedy: `echo on > ${powerControl.from}, and find out which rule or tool (TLP, powertop, udev) set it`,
  };
}

/** What is not there says nothing; what must not be read, or makes no sense, is not known. */
function unread(fact: Fact<unknown>, what: string): Flaw | undefined {
  if (fact.absent === undefined || fact.absent === 'missing') return undefined;
  return {
    result: 'unknown',
    sentence: `${what} cannot be read`,
    evidence: [evidence(fact)],
    remedy: 'run as root',
  };
}
