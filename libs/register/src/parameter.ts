import { parseExpressionAt, type Expression, type Options, type Pattern } from 'acorn';

/** One parameter of a function, as its source text says. `name` is '' for a destructured one, also for one with a default value. */
export interface Parameter {
  readonly name: string;
  readonly kind: 'plain' | 'default' | 'rest' | 'destructured';
}

/** A function's text is an expression, or a method as it stands in an object or, with a private name, in a class. */
const surroundings: readonly (readonly [before: string, after: string])[] = [
  ['(', ')'],
  ['({', '})'],
  ['(class {', '})'],
];

/** The text is taken out of its surroundings, which may be a module, an async function, a method or a class with private names. */
const options: Options = {
  ecmaVersion: 'latest',
  allowAwaitOutsideFunction: true,
  allowSuperOutsideMethod: true,
  checkPrivateFields: false,
};

/**
 * The parameters of a function, read from its source text: JavaScript keeps no other record of their names.
 * Understands arrow functions, functions, methods, async ones and generators, with comments, defaults and destructuring.
 * undefined when there is no source (native and bound functions, classes).
 */
export function parametersOf(fn: (...args: never[]) => unknown): Parameter[] | undefined {
  const source = Function.prototype.toString.call(fn);
  for (const sourceType of ['module', 'script'] as const) {
    for (const [before, after] of surroundings) {
      const expression = parsed(`${before}${source}${after}`, sourceType);
      if (expression !== undefined) return patternsOf(expression)?.map(parameterOf);
    }
  }
  return undefined;
}

/** undefined for what is not JavaScript, such as the text of a native function. */
function parsed(text: string, sourceType: 'module' | 'script'): Expression | undefined {
  try {
    return parseExpressionAt(text, 0, { ...options, sourceType });
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function patternsOf(expression: Expression): Pattern[] | undefined {
  switch (expression.type) {
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return expression.params;
    case 'ObjectExpression': {
      const [method] = expression.properties;
      return method?.type === 'Property' ? patternsOf(method.value) : undefined;
    }
    case 'ClassExpression': {
      const [method] = expression.body.body;
      return expression.body.body.length === 1 && method?.type === 'MethodDefinition' && method.kind === 'method'
        ? method.value.params
        : undefined;
    }
    default:
      return undefined;
  }
}

function parameterOf(pattern: Pattern): Parameter {
  switch (pattern.type) {
    case 'Identifier':
      return { name: pattern.name, kind: 'plain' };
    case 'AssignmentPattern':
      return { name: nameOf(pattern.left), kind: 'default' };
    case 'RestElement':
      return { name: nameOf(pattern.argument), kind: 'rest' };
    default:
      return { name: '', kind: 'destructured' };
  }
}

function nameOf(pattern: Pattern): string {
  return pattern.type === 'Identifier' ? pattern.name : '';
}
