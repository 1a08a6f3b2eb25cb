import { describe, expect, test } from 'vitest';
import { EXIT, errnoName, HostError, ToolError } from '../../src/host/errors.ts';

const errno = (code: string) => Object.assign(new Error(`${code}: text of libuv`), { code });

describe('errors', () => {
  test('are printed as one line with code and subject, and the hint on the next', () => {
    const error = new ToolError('NIC_CARRIES_ROUTE', 'carries the default route', {
      subject: '0000:03:00.0 (eth0)',
      hint: 'choose another NIC',
      exitCode: EXIT.refused,
    });
    expect(error.format()).toBe(
      'error[NIC_CARRIES_ROUTE] 0000:03:00.0 (eth0): carries the default route\nhint: choose another NIC',
    );
    expect(error.exitCode).toBe(4);
    expect(new ToolError('ODD', 'something').format()).toBe('error[ODD]: something');
    expect(new ToolError('ODD', 'something').exitCode).toBe(1);
  });

  test.each([
    ['EACCES', 'permission denied (EACCES)', 77],
    ['EPERM', 'not permitted (EPERM)', 77],
    ['EL2NSYNC', 'EL2NSYNC', 1],
  ] as const)('of the host with %s keep path and errno: %s, and exit with %i', (code, text, exitCode) => {
    const cause = errno(code);
    const error = new HostError('write', '/sys/x', cause);
    expect({ ...error, message: error.message, cause: error.cause }).toEqual({
      name: 'ToolError',
      message: `cannot write: ${text}`,
      code: 'HOST_WRITE',
      subject: '/sys/x',
      hint: undefined,
      exitCode,
      path: '/sys/x',
      errno: code,
      cause,
    });
  });

  test.each([
    [errno('EBUSY'), 'EBUSY'],
    [{ code: 'EISDIR' }, 'EISDIR'],
    [new Error('no code'), 'EUNKNOWN'],
    [{ code: 5 }, 'EUNKNOWN'],
    [null, 'EUNKNOWN'],
    ['EBUSY', 'EUNKNOWN'],
  ])('have an errno name whatever was thrown (%o)', (thrown, name) => {
    expect(errnoName(thrown)).toBe(name);
  });
});
