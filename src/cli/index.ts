import { EXIT, errnoName, ToolError } from '../host/errors.ts';
import { main } from './main.ts';

process.stdout.on('error', (error) => {
  const errno = errnoName(error);
  // `bypass-setup probe | head` closes the pipe early, which is no error of ours.
  if (errno === 'EPIPE') return;
  const details = errno === 'ENOSPC' ? { hint: 'the disk is full' } : {};
  process.stderr.write(`${new ToolError('STDOUT', `cannot be written: ${errno}`, details).format()}\n`);
  process.exitCode = EXIT.unexpected;
});

const exitCode = await main(process.argv.slice(2));
// A failed write to standard output has set it already.
process.exitCode ??= exitCode;
