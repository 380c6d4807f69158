// Rules about the source that no linter knows: what allocates, what module scope may hold, who may import whom. They
// work on the compiler's syntax tree and types, so that a method of a table of ours is told from the library's.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

export interface Finding {
  file: string;
  line: number;
  rule: string;
  what: string;
}

/** For a failure's message: one line a finding. */
export function lines(findings: readonly Finding[]): string[] {
  return findings.map(({ file, line, rule, what }) => `${file}:${line} ${rule}: ${what}`);
}

function finding(source: ts.SourceFile, node: ts.Node, rule: string): Finding {
  const start = node.getStart(source);
  return {
    file: posix.relative(root, source.fileName),
    line: source.getLineAndCharacterOfPosition(start).line + 1,
    rule,
    what: source.text.slice(start, node.end).split("\n")[0].slice(0, 80),
  };
}

/** All TypeScript files below the directories, as paths from the project's root; a missing directory has none. */
export function filesOf(...directories: string[]): string[] {
  return directories
    .filter((directory) => existsSync(posix.join(root, directory)))
    .flatMap((directory) =>
      readdirSync(posix.join(root, directory), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts") && !name.includes("node_modules/"))
        .map((name) => posix.join(directory, name)),
    )
    .sort();
}

/** A program of files of the project, or of `texts` in their place, that knows the language but no host. */
export function programOf(paths: readonly string[], texts: Readonly<Record<string, string>> = {}): ts.Program {
  const { config } = ts.readConfigFile(posix.join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, root);
  options.types = [];
  const host = ts.createCompilerHost(options, true);
  const { fileExists, readFile } = host;
  const textOf = (path: string): string | undefined => texts[posix.relative(root, path)];
  host.fileExists = (path) => textOf(path) !== undefined || fileExists(path);
  host.readFile = (path) => textOf(path) ?? readFile(path);
  return ts.createProgram(
    [...paths, ...Object.keys(texts)].map((path) => posix.join(root, path)),
    options,
    host,
  );
}

export function sourceOf(program: ts.Program, path: string): ts.SourceFile {
  const source = program.getSourceFile(posix.join(root, path));
  if (source === undefined) throw new Error(`${path} is not part of the program`);
  return source;
}

/** For the rules that need no types. */
export function parse(path: string, text = readFileSync(posix.join(root, path), "utf8")): ts.SourceFile {
  return ts.createSourceFile(posix.join(root, path), text, ts.ScriptTarget.ES2022, true);
}

// ---- what allocates

const ALLOCATING_SYNTAX: ReadonlyMap<ts.SyntaxKind, string> = new Map([
  [ts.SyntaxKind.ObjectLiteralExpression, "object literal"],
  [ts.SyntaxKind.ArrayLiteralExpression, "array literal"],
  [ts.SyntaxKind.TemplateExpression, "template literal"],
  [ts.SyntaxKind.NoSubstitutionTemplateLiteral, "template literal"],
  [ts.SyntaxKind.TaggedTemplateExpression, "template literal"],
  [ts.SyntaxKind.RegularExpressionLiteral, "regular expression"],
  [ts.SyntaxKind.BigIntLiteral, "BigInt"],
  [ts.SyntaxKind.SpreadElement, "spread"],
  [ts.SyntaxKind.SpreadAssignment, "spread"],
  [ts.SyntaxKind.ForOfStatement, "for..of"],
  [ts.SyntaxKind.ForInStatement, "for..in"],
  [ts.SyntaxKind.ArrowFunction, "closure"],
  [ts.SyntaxKind.FunctionExpression, "closure"],
  [ts.SyntaxKind.ClassExpression, "closure"],
  [ts.SyntaxKind.NewExpression, "new"],
  [ts.SyntaxKind.ArrayBindingPattern, "array destructuring"],
  [ts.SyntaxKind.TryStatement, "try"],
  [ts.SyntaxKind.ThrowStatement, "throw"],
  [ts.SyntaxKind.AsyncKeyword, "async"],
  [ts.SyntaxKind.AwaitExpression, "async"],
  [ts.SyntaxKind.YieldExpression, "generator"],
]);

/** What the core may call of the language's library: it is known to allocate nothing, and depends on nothing outside. */
const LIBRARY_CALLS: Readonly<Record<string, readonly string[]>> = {
  Math: "abs ceil clz32 floor fround imul log2 max min pow round sign sqrt trunc".split(" "),
  NumberConstructor: "isFinite isInteger isNaN isSafeInteger".split(" "),
  Array: "fill includes indexOf pop push".split(" "), // push only up to a capacity reached before
  ReadonlyArray: "includes indexOf".split(" "),
  Map: "get has".split(" "),
  Set: ["has"],
  DataView: ["Int8", "Uint8", "Int16", "Uint16", "Int32", "Uint32", "Float32", "Float64"].flatMap((type) => [
    `get${type}`,
    `set${type}`,
  ]),
};
const TYPED_ARRAY = /^(Uint8|Uint8Clamped|Uint16|Uint32|Int8|Int16|Int32|Float32|Float64)Array$/;
const TYPED_ARRAY_CALLS: readonly string[] = ["copyWithin", "fill", "includes", "indexOf", "set"];

const MARKER = /^\/\/ allocates\b(?:: *(\S.*))?/;

/** The comments directly before a node, without an empty line in between. */
function commentsBefore(source: ts.SourceFile, node: ts.Node): ts.CommentRange[] {
  const attached: ts.CommentRange[] = [];
  let next = node.getStart(source);
  for (const range of (ts.getLeadingCommentRanges(source.text, node.pos) ?? []).reverse()) {
    if (source.text.slice(range.end, next).split("\n").length > 2) break;
    attached.push(range);
    next = range.pos;
  }
  return attached;
}

function isLibraryDeclaration(program: ts.Program, node: ts.Node): boolean {
  return program.isSourceFileDefaultLibrary(node.getSourceFile());
}

/** `Owner.name` of the library function called, unless it is one of those that allocate nothing. */
function allocatingLibraryCall(program: ts.Program, call: ts.CallExpression): string | undefined {
  const declaration = program.getTypeChecker().getResolvedSignature(call)?.declaration;
  if (declaration === undefined || !isLibraryDeclaration(program, declaration)) return undefined;
  const { parent } = declaration;
  const owner = ts.isInterfaceDeclaration(parent) ? parent.name.text : "";
  const name = ts.getNameOfDeclaration(declaration as ts.Declaration)?.getText() ?? "";
  const allowed = TYPED_ARRAY.test(owner)
    ? TYPED_ARRAY_CALLS
    : Object.hasOwn(LIBRARY_CALLS, owner)
      ? LIBRARY_CALLS[owner]
      : [];
  return allowed.includes(name) ? undefined : [owner, name].filter((word) => word !== "").join(".");
}

function isAssignmentTarget(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isParenthesizedExpression(parent)) return isAssignmentTarget(parent);
  return (
    ts.isBinaryExpression(parent) && parent.operatorToken.kind === ts.SyntaxKind.EqualsToken && parent.left === node
  );
}

/** Which allocating construct a node itself is, leaving its children aside. */
function allocatingRule(program: ts.Program, node: ts.Node): string | undefined {
  if (ts.isObjectLiteralExpression(node) && isAssignmentTarget(node)) return undefined;
  const rule = ALLOCATING_SYNTAX.get(node.kind);
  if (rule !== undefined) return rule;
  if ((ts.isParameter(node) || ts.isBindingElement(node)) && node.dotDotDotToken) return "rest";
  if (ts.isFunctionLike(node) && "asteriskToken" in node && node.asteriskToken) return "generator";
  if (ts.isFunctionDeclaration(node) && !ts.isSourceFile(node.parent)) return "closure";
  if (ts.isClassDeclaration(node) && !ts.isSourceFile(node.parent)) return "closure";
  if (ts.isIdentifier(node) && node.text === "arguments" && ts.isExpression(node)) {
    const named = ts.isPropertyAccessExpression(node.parent) && node.parent.name === node;
    return named ? undefined : "arguments";
  }

  const isString = (expression: ts.Expression): boolean => {
    const type = program.getTypeChecker().getTypeAtLocation(expression);
    return (type.isUnion() ? type.types : [type]).some(({ flags }) => (flags & ts.TypeFlags.StringLike) !== 0);
  };
  if (ts.isBinaryExpression(node)) {
    const kind = node.operatorToken.kind;
    const adds = kind === ts.SyntaxKind.PlusToken || kind === ts.SyntaxKind.PlusEqualsToken;
    return adds && (isString(node.left) || isString(node.right)) ? "string concatenation" : undefined;
  }
  if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) {
    return isString(node.expression) ? "string access" : undefined;
  }
  // In a preloaded module XS makes a new string for it each time; not so at module scope.
  if (ts.isStringLiteral(node) && !endsTheProgram(node.parent)) return "string literal";
  if (ts.isCallExpression(node)) {
    if (node.expression.kind === ts.SyntaxKind.ImportKeyword) return "async";
    const called = node.expression;
    if (ts.isPropertyAccessExpression(called) && isString(called.expression)) return undefined; // is a string access
    const name = allocatingLibraryCall(program, node);
    return name === undefined ? undefined : `library call ${name}`;
  }
  return undefined;
}

/** A call of a function that never returns. */
function endsTheProgram(node: ts.Node): boolean {
  return ts.isCallExpression(node) && ["broken", "fail"].includes(node.expression.getText());
}

/**
 * What may allocate in the functions of a file. Constructors and the initial values of fields may, and so may a
 * function, method, accessor or class with `// allocates: <reason>` directly before it.
 */
export function allocations(program: ts.Program, source: ts.SourceFile): Finding[] {
  const found: Finding[] = [];
  const markers = new Set<number>();

  const mayAllocate = (node: ts.Node): boolean => {
    if (!ts.isFunctionLike(node) && !ts.isClassLike(node)) return false;
    const marks = commentsBefore(source, node).filter(({ pos, end }) => MARKER.test(source.text.slice(pos, end)));
    for (const { pos } of marks) markers.add(pos);
    return marks.length > 0 || ts.isConstructorDeclaration(node);
  };

  const visit = (node: ts.Node): void => {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return;
    if (ts.isEnumDeclaration(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isVariableStatement(node) && ts.isSourceFile(node.parent)) return; // moduleState looks at these
    if (ts.isPropertyDeclaration(node) || mayAllocate(node)) return;
    if (ts.isFunctionLike(node) && !("body" in node && node.body)) return; // declared, not done
    const rule = allocatingRule(program, node);
    if (rule !== undefined) found.push(finding(source, node, rule));
    ts.forEachChild(node, visit);
  };
  visit(source);

  // A marker that excuses nothing, or says no reason, is a mistake.
  const marked = /^[ \t]*(\/\/ allocates\b.*)$/gm;
  for (let match = marked.exec(source.text); match !== null; match = marked.exec(source.text)) {
    const at = match.index + match[0].indexOf("//");
    const line = source.getLineAndCharacterOfPosition(at).line + 1;
    const where = { file: posix.relative(root, source.fileName), line, what: match[1] };
    if (MARKER.exec(match[1])?.[1] === undefined) found.push({ ...where, rule: "allocates without a reason" });
    else if (!markers.has(at)) found.push({ ...where, rule: "misplaced `allocates`" });
  }
  return found;
}

// ---- module scope

/** A value that is the same for ever, without state: a number, a string, an expression of such. */
function isConstant(node: ts.Expression): boolean {
  if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node) || ts.isParenthesizedExpression(node)) {
    return isConstant(node.expression);
  }
  if (ts.isPrefixUnaryExpression(node)) return isConstant(node.operand);
  if (ts.isBinaryExpression(node)) return isConstant(node.left) && isConstant(node.right);
  if (ts.isConditionalExpression(node)) return [node.condition, node.whenTrue, node.whenFalse].every(isConstant);
  if (ts.isPropertyAccessExpression(node)) return isConstant(node.expression);
  return (
    ts.isNumericLiteral(node) ||
    ts.isStringLiteralLike(node) ||
    ts.isIdentifier(node) ||
    node.kind === ts.SyntaxKind.TrueKeyword ||
    node.kind === ts.SyntaxKind.FalseKeyword ||
    node.kind === ts.SyntaxKind.NullKeyword
  );
}

/** An array or object literal of constants and of such literals. */
function isConstantLiteral(node: ts.Expression): boolean {
  if (ts.isArrayLiteralExpression(node)) {
    return node.elements.every((element) =>
      isConstantOrLiteral(ts.isSpreadElement(element) ? element.expression : element),
    );
  }
  if (!ts.isObjectLiteralExpression(node)) return false;
  return node.properties.every((property) => {
    if (ts.isShorthandPropertyAssignment(property)) return true;
    if (ts.isSpreadAssignment(property)) return isConstantOrLiteral(property.expression);
    return ts.isPropertyAssignment(property) && isConstantOrLiteral(property.initializer);
  });
}

function isConstantOrLiteral(node: ts.Expression): boolean {
  return isConstant(node) || isConstantLiteral(node) || isTable(node);
}

/** `Object.freeze(…)` of a literal, or a typed array with its values written out. */
function isTable(node: ts.Expression): boolean {
  if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) return isTable(node.expression);
  if (ts.isCallExpression(node) && node.expression.getText() === "Object.freeze" && node.arguments.length === 1) {
    return isConstantLiteral(node.arguments[0]);
  }
  if (ts.isNewExpression(node) && TYPED_ARRAY.test(node.expression.getText()) && node.arguments?.length === 1) {
    return ts.isArrayLiteralExpression(node.arguments[0]) && isConstantLiteral(node.arguments[0]);
  }
  return false;
}

function stateOfClass(source: ts.SourceFile, node: ts.ClassDeclaration): Finding[] {
  return node.members.flatMap((member) => {
    if (ts.isClassStaticBlockDeclaration(member)) return [finding(source, member, "module state")];
    if (
      !ts.isPropertyDeclaration(member) ||
      !ts.getModifiers(member)?.some((one) => one.kind === ts.SyntaxKind.StaticKeyword)
    ) {
      return [];
    }
    const constant =
      member.initializer !== undefined && (isConstant(member.initializer) || isTable(member.initializer));
    const readonly = ts.getModifiers(member)?.some((one) => one.kind === ts.SyntaxKind.ReadonlyKeyword);
    return constant && readonly ? [] : [finding(source, member, "module state")];
  });
}

/** Module scope holds declarations, constants and frozen tables; it has no state and does nothing. */
export function moduleState(source: ts.SourceFile): Finding[] {
  return source.statements.flatMap((statement) => {
    if (ts.isClassDeclaration(statement)) return stateOfClass(source, statement);
    if (ts.isEnumDeclaration(statement)) {
      const isConst = statement.modifiers?.some((one) => one.kind === ts.SyntaxKind.ConstKeyword);
      return isConst ? [] : [finding(source, statement, "enum that is not const")];
    }
    if (ts.isVariableStatement(statement)) {
      if (!(statement.declarationList.flags & ts.NodeFlags.Const)) return [finding(source, statement, "module state")];
      return statement.declarationList.declarations
        .filter(({ initializer }) => initializer === undefined || !(isConstant(initializer) || isTable(initializer)))
        .map((declaration) => finding(source, declaration, "module state"));
    }
    const declares =
      ts.isImportDeclaration(statement) ||
      ts.isExportDeclaration(statement) ||
      ts.isInterfaceDeclaration(statement) ||
      ts.isTypeAliasDeclaration(statement) ||
      ts.isFunctionDeclaration(statement) ||
      ts.isExportAssignment(statement); // `imports` refuses it
    return declares ? [] : [finding(source, statement, "module that does something")];
  });
}

// ---- who may import whom

interface Layer {
  name: string;
  files: RegExp;
  imports: readonly string[];
}

const PROTOCOL = ["memory", "ports"];
const SESSION = ["mqtt", ...PROTOCOL];
const ROLE = ["session", ...SESSION];
const CORE = ["index", "broker", "client", "bridge", ...ROLE];

/** Lowest first; a layer may import itself and what it lists. */
export const layers: readonly Layer[] = [
  { name: "memory", files: /^src\/memory\//, imports: [] },
  { name: "ports", files: /^src\/(ports|events)\.ts$/, imports: [] },
  { name: "mqtt", files: /^src\/mqtt\//, imports: PROTOCOL },
  { name: "session", files: /^src\/session\//, imports: SESSION },
  { name: "broker", files: /^src\/broker\//, imports: ROLE },
  { name: "client", files: /^src\/client\//, imports: ROLE },
  { name: "bridge", files: /^src\/bridge\//, imports: ROLE },
  { name: "index", files: /^src\/index\.ts$/, imports: CORE },
  { name: "hosts/text", files: /^hosts\/text\//, imports: ["ports"] },
  { name: "hosts/node", files: /^hosts\/node\//, imports: [...CORE, "hosts/text"] },
  { name: "hosts/ecma419", files: /^hosts\/ecma419\//, imports: CORE },
  { name: "hosts/esp32", files: /^hosts\/esp32\//, imports: [...CORE, "hosts/text", "hosts/ecma419"] },
  { name: "sim", files: /^sim\//, imports: CORE },
];

function layerOf(path: string): Layer | undefined {
  return layers.find(({ files }) => files.test(path));
}

/** Every string by which a file names another module, of whatever form. */
function specifiers(source: ts.SourceFile): ts.StringLiteralLike[] {
  const found: ts.StringLiteralLike[] = [];
  const visit = (node: ts.Node): void => {
    let name: ts.Node | undefined;
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) name = node.moduleSpecifier;
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) name = node.argument.literal;
    else if (ts.isExternalModuleReference(node)) name = node.expression;
    else if (ts.isCallExpression(node)) {
      const { expression } = node;
      const isRequire = ts.isIdentifier(expression) && expression.text === "require";
      if (isRequire || expression.kind === ts.SyntaxKind.ImportKeyword) name = node.arguments[0];
    }
    if (name !== undefined && ts.isStringLiteralLike(name)) found.push(name);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Imports that point up or sideways, to packages where there may be none, or that are not of the one permitted form. */
export function imports(source: ts.SourceFile): Finding[] {
  const path = posix.relative(root, source.fileName);
  const layer = layerOf(path);
  if (layer === undefined) return [finding(source, source, "file of no layer")];
  const found: Finding[] = [];

  for (const name of specifiers(source)) {
    if (!name.text.startsWith(".")) {
      if (path.startsWith("src/")) found.push(finding(source, name, "import of a package in the core"));
      continue;
    }
    if (/\.([cm]?[jt]sx?|json)$/.test(name.text)) found.push(finding(source, name, "import with extension"));
    const target = layerOf(`${posix.join(posix.dirname(path), name.text)}.ts`);
    if (target === layer || (target !== undefined && layer.imports.includes(target.name))) continue;
    found.push(finding(source, name, `import of ${target?.name ?? "no layer"} in ${layer.name}`));
  }

  for (const statement of source.statements) {
    const relative = (from: ts.Expression | undefined): boolean =>
      from !== undefined && ts.isStringLiteral(from) && (from.text.startsWith(".") || path.startsWith("src/"));
    if (ts.isImportDeclaration(statement) && relative(statement.moduleSpecifier)) {
      const clause = statement.importClause;
      const named = clause?.name === undefined && clause?.namedBindings && ts.isNamedImports(clause.namedBindings);
      if (!named) found.push(finding(source, statement, "import that is not named"));
    }
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
    // What an application of Moddable's imports, or the SDK starts, is a default export.
    const mayBeDefault = path.startsWith("hosts/esp32/");
    const isDefault =
      ts.isExportAssignment(statement) || modifiers?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword);
    if (isDefault && !mayBeDefault) {
      found.push(finding(source, statement, "default export"));
    }
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined) {
      const named = statement.exportClause !== undefined && ts.isNamedExports(statement.exportClause);
      if (!named) found.push(finding(source, statement, "export of everything"));
      else if (posix.basename(path) !== "index.ts")
        found.push(finding(source, statement, "export on behalf of another"));
    }
  }
  return found;
}

// ---- size

export function longFunctions(source: ts.SourceFile, most: number): Finding[] {
  const found: Finding[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body) {
      const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
      const last = source.getLineAndCharacterOfPosition(node.end).line;
      if (last - first + 1 > most) found.push(finding(source, node, `function of ${last - first + 1} lines`));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

export function longFile(source: ts.SourceFile, most: number): Finding[] {
  const count = source.text.trimEnd().split("\n").length;
  return count > most ? [{ ...finding(source, source, `file of ${count} lines`), line: most + 1, what: "" }] : [];
}
