/**
 * What the sender of a path that nobody has may have meant, to follow the text of the 404: `//v2/...` or `/v2//models/...` (a base URL that ends with a slash), `/V2/...`,
 * TensorFlow Serving's `/v1/models/...`. '' when it is none of them.
 */
export function suggestedPath(url: string): string {
  const path = url.replace(/\?.*$/s, '');
  const plain = path.replace(/^\/+v2(?:\/+|$)/i, (start) => (start.endsWith('/') ? '/v2/' : '/v2'));
  if (plain !== path) return `, the path is ${plain}`;
  const tensorFlow = /^\/v1\/models(?:\/([^/:]*)|$)/.exec(path);
  if (tensorFlow === null) return '';
  const model = tensorFlow[1] === undefined || tensorFlow[1] === '' ? '{model}' : tensorFlow[1];
  return `, which is of TensorFlow Serving's API; the Open Inference Protocol has POST /v2/models/${model}/infer and GET /v2/models/${model}`;
}
