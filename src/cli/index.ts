import { main } from './main.ts';

// main() turns every failure into an exit code, so there is nothing to catch.
void main(process.argv.slice(2)).then((exitCode) => {
  process.exitCode = exitCode;
});
