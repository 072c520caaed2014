/** Inject the Bus: `@Inject(BUS) bus: Bus`. */
export const BUS = Symbol('mserve.bus');
/** Inject the TensorStore: `@Inject(TENSOR_STORE) store: TensorStore`. */
export const TENSOR_STORE = Symbol('mserve.tensor-store');
