import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    reporters: ['./test/support/reporter.ts'],
    testTimeout: 30_000,
    // The poll loop wants a core to itself, so native tests run after one another and apart from the rest.
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/native/**'] } },
      {
        extends: true,
        test: {
          name: 'native',
          include: ['test/native/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
