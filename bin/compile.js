// Compiles a bundle with the code that V8 kept of an earlier run, which spares a third of our start. V8 refuses what
// another version of itself has kept (v8.h, ScriptCompiler::CachedData), and compiles anew.
const { readFileSync } = require('node:fs');
const { dirname } = require('node:path');
const { Script } = require('node:vm');

/** Gives the script, and a function that runs it as Node would run a CommonJS module. */
exports.compile = (file, cacheFile) => {
  const source = `(function (exports, require, module, __filename, __dirname) { ${readFileSync(file, 'utf8')}\n})`;
  let cachedData;
  try {
    cachedData = readFileSync(cacheFile);
  } catch {
    // Not there, or not ours to read.
  }
  const script = new Script(source, { filename: file, cachedData });
  const run = () => {
    const module = { exports: {} };
    // Relative names are resolved from bin/, which lies beside the bundle's folder.
    const requireBeside = (name) => require(name.startsWith('.') ? `${dirname(file)}/${name}` : name);
    script.runInThisContext()(module.exports, requireBeside, module, file, dirname(file));
  };
  return { script, run };
};
