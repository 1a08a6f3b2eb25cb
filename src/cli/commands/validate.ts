import { EXIT } from '../../host/errors.ts';
import { openReadHost } from '../../host/node-host.ts';
import type { ValidateOptions } from '../../native/client.ts';
import { usableCpus } from '../../native/poll-cpu.ts';
import { observe } from '../../probes/index.ts';
import { renderValidation } from '../../report/validate-text.ts';
import { cpuNumber, seconds, usageError } from '../arguments.ts';
import type { CommandRunner, Context } from '../context.ts';
import { driveValidator } from '../drive-validator.ts';
import { mayOpen } from '../may-open.ts';
import { preflight } from '../port-preflight.ts';
import { milliseconds } from '../stdio.ts';

const DEFAULT_SECONDS = 3;
const MODES = ['embedded', 'iface', 'port'] as const;

export const runValidate: CommandRunner = async (context) => {
  const { values, out, style } = context;
  const result = await driveValidator(
    {
      seconds: values.duration === undefined ? DEFAULT_SECONDS : seconds('--duration', values.duration),
      ...whatAndWhere(values),
    },
    context,
  );
  out(values.json === undefined ? renderValidation(result, style) : `${JSON.stringify(result, null, 2)}\n`);
  return result.verdict === 'ready' ? EXIT.ok : EXIT.differs;
};

function whatAndWhere(values: Context['values']): Pick<ValidateOptions, 'target' | 'cpu'> {
  const [mode, other] = MODES.filter((name) => values[name] !== undefined);
  if (mode === undefined) throw usageError('validate', 'needs --embedded, --iface NAME or --port PCI');
  if (other !== undefined) throw usageError(`--${mode}`, `cannot be used together with --${other}`);
  if (mode === 'embedded' && values.address !== undefined)
    throw usageError('--address', 'needs --iface or --port');
  const cpu = values.cpu === undefined ? undefined : cpuNumber('--cpu', values.cpu);
  const address = values.address === undefined ? {} : { address: values.address };
  if (values.port !== undefined) {
    const { facts } = observe(openReadHost('/'), milliseconds);
    const { port, cpu: chosen } = preflight(facts, { pci: values.port, cpu, usable: usableCpus(), mayOpen });
    return { target: { mode: 'port', port, ...address }, cpu: chosen };
  }
  return {
    target:
      values.iface === undefined
        ? { mode: 'embedded' }
        : { mode: 'interface', iface: values.iface, ...address },
    ...(cpu === undefined ? {} : { cpu }),
  };
}
