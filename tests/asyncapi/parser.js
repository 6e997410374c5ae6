// The official AsyncAPI parser as a child process: a JSON string with a document on each line of standard input, what
// the parser has to say of it, a JSON array, on the same line of standard output. `node parser.js FOLDER`, with the
// folder whose node_modules has the parser.
const { createRequire } = require("node:module");
const path = require("node:path");
const readline = require("node:readline");

const { Parser } = createRequire(path.resolve(process.argv[2], "package.json"))("@asyncapi/parser");
const SEVERITIES = ["error", "warning", "information", "hint"];

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
