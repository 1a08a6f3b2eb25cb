const BEGIN = '<!-- keys: written by `npm run schemas` -->\n';
const END = '<!-- end of keys -->\n';

/** The part of JSON Schema that the profile's uses. */
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** docs/profile.md with the table of keys that the published schema gives. */
export function withTable(page: string, schema: unknown): string {
  const from = page.indexOf(BEGIN) + BEGIN.length;
  const to = page.indexOf(END);
  if (from < BEGIN.length || to < from)
    throw new Error('docs/profile.md has lost the marks around its table');
  const head = '| key | value | default | meaning |\n|---|---|---|---|\n';
  return `${page.slice(0, from)}\n${head}${rows(schema as Schema, '').join('')}\n${page.slice(to)}`;
}

function rows(schema: Schema, prefix: string): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const key = `${prefix}${name}`;
    const kinds = alternatives(property);
    const values = [...new Set(kinds.map(printValue))].join(', or ');
    const below = kinds.flatMap((kind) => [
      ...rows(kind, `${key}.`),
      ...(kind.items === undefined ? [] : rows(kind.items, `${key}[].`)),
    ]);
    const unset = schema.required?.includes(name) ? 'required' : printDefault(property);
    return [`| ${code(key)} | ${values} | ${unset} | ${property.description} |\n`, ...below];
  });
}

function alternatives(schema: Schema): readonly Schema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(alternatives);
}

const VALUES: Readonly<Record<string, string>> = {
  integer: 'whole number',
  string: 'text',
  boolean: '`true`, `false`',
  array: 'list',
  object: 'keys below',
};

function printValue(schema: Schema): string {
  if (schema.const !== undefined) return code(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(code).join(', ');
  const { minimum, maximum } = schema;
  if (schema.type === 'integer' && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER) {
    return `${minimum} to ${maximum}`;
  }
  return VALUES[schema.type ?? ''] ?? 'any';
}

function printDefault(schema: Schema): string {
  return schema.default === undefined ? '–' : code(schema.default);
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}
