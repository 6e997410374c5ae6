// The official AsyncAPI parser as a child process: a JSON string with a document on each line of standard input, what
// the parser has to say of it, a JSON array, on the same line of standard output. `node parser.js FOLDER`, with the
// folder whose node_modules has the parser.
const { createRequire } = require("node:module");
const path = require("node:path");
const readline = require("node:readline");

const installed = createRequire(path.resolve(process.argv[2], "package.json"));
compileOnce(createRequire(installed.resolve("@asyncapi/parser")));
const { Parser } = installed("@asyncapi/parser");
const SEVERITIES = ["error", "warning", "information", "hint"];

// What the parser stands on (Spectral) compiles the schema of AsyncAPI anew for each document, a third of a second of
// work: here once. All other schemas, those of documents, are compiled for their own document, as ever.
function compileOnce(require) {
  let ajv;
  try {
    ajv = require(path.join(path.dirname(require.resolve("@stoplight/spectral-functions")), "schema", "ajv.js"));
  } catch {
    return; // another version, whose files lie elsewhere: it only takes longer
  }
  const create = ajv.createAjvInstances;
  const shared = create();
  ajv.createAjvInstances = () => {
    const own = create();
    return (schema, ...rest) => {
      const official = String(schema.$id).startsWith("http://asyncapi.com/definitions/");
      return (official ? shared : own)(schema, ...rest);
    };
  };
}

async function main() {
  const parser = new Parser();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { document, diagnostics } = await parser.parse(JSON.parse(line));
    const problems = diagnostics.map(({ severity, code, message, path }) => ({
      severity: SEVERITIES[severity],
      code: String(code),
      message,
      path: path.map(String),
    }));
    if (document === undefined && !problems.some(({ severity }) => severity === "error"))
      problems.push({ severity: "error", code: "no-document", message: "The parser made no document", path: [] });
    process.stdout.write(JSON.stringify(problems) + "\n");
  }
}

main();
