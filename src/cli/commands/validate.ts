import { EXIT } from '../../host/errors.ts';
import type { ValidateTarget } from '../../native/client.ts';
import { renderValidation } from '../../report/validate-text.ts';
import { cpuNumber, seconds, usageError } from '../arguments.ts';
import type { CommandRunner, Context } from '../context.ts';
import { driveValidator } from '../drive-validator.ts';

const DEFAULT_SECONDS = 3;

export const runValidate: CommandRunner = async (context) => {
  const { values, out, style } = context;
  const result = await driveValidator(
    {
      target: target(values),
      seconds: values.duration === undefined ? DEFAULT_SECONDS : seconds('--duration', values.duration),
      ...(values.cpu === undefined ? {} : { cpu: cpuNumber('--cpu', values.cpu) }),
    },
    context,
  );
  out(values.json === undefined ? renderValidation(result, style) : `${JSON.stringify(result, null, 2)}\n`);
  return result.verdict === 'ready' ? EXIT.ok : EXIT.differs;
};

function target(values: Context['values']): ValidateTarget {
  if (values.iface !== undefined && values.embedded !== undefined) {
    throw usageError('--embedded', 'cannot be used together with --iface');
  }
  if (values.iface !== undefined) {
    return {
      mode: 'interface',
      iface: values.iface,
      ...(values.address === undefined ? {} : { address: values.address }),
    };
  }
  if (values.address !== undefined) throw usageError('--address', 'needs --iface');
  if (values.embedded === undefined) throw usageError('validate', 'needs --embedded or --iface NAME');
  return { mode: 'embedded' };
}
