// The table of keys in docs/profile.md, from the published schema: `npm run schemas` writes it, a test compares it.
const BEGIN = '<!-- keys: written by `npm run schemas` -->\n';
const END = '<!-- end of keys -->\n';

/** The page with the table that the schema gives. */
export function withTable(page, schema) {
  const from = page.indexOf(BEGIN) + BEGIN.length;
  const to = page.indexOf(END);
  if (from < BEGIN.length || to < from)
    throw new Error('docs/profile.md has lost the marks around its table');
  const head = '| key | value | default | meaning |\n|---|---|---|---|\n';
  return `${page.slice(0, from)}\n${head}${rows(schema, '').join('')}\n${page.slice(to)}`;
}

function rows(schema, prefix) {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const key = `${prefix}${name}`;
    const required = (schema.required ?? []).includes(name);
    const unset = required ? 'required' : property.default === undefined ? '–' : code(property.default);
    const kinds = alternatives(property);
    const below = kinds.flatMap((kind) => [
      ...rows(kind, `${key}.`),
      ...(kind.type === 'array' ? rows(kind.items, `${key}[].`) : []),
    ]);
    return [
      `| ${code(key)} | ${kinds.map(value).join(', or ')} | ${unset} | ${property.description} |\n`,
      ...below,
    ];
  });
}

function alternatives(schema) {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(alternatives);
}

function value(schema) {
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  if (schema.type === 'integer' && schema.maximum < Number.MAX_SAFE_INTEGER) {
    return `${schema.minimum} to ${schema.maximum}`;
  }
  return {
    integer: 'whole number',
    string: 'text',
    boolean: '`true`, `false`',
    array: 'list',
    object: 'keys below',
  }[schema.type];
}

function code(text) {
  return `\`${typeof text === 'string' ? text : JSON.stringify(text)}\``;
}
