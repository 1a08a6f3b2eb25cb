import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    reporters: ['./test/support/reporter.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // The poll loop wants a core to itself, so native tests run after one another and apart from the rest.
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/native/**', 'test/lab/**'] },
      },
      {
        extends: true,
        test: {
          name: 'native',
          include: ['test/native/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      // One virtual server at a time: an emulated one takes the whole machine. Run by `npm run test:lab` alone.
      {
        extends: true,
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 900_000,
          // An emulator loses a guest now and then (test/lab/machine.ts); the report says which test was tried again.
          retry: { count: 1, condition: /the guest is lost/ },
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
