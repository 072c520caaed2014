import { failureOf, ServingError, type Failure, type Instance } from '@mserve/wire';
import { checkInputs, inputsOfCall, type ModelPlan } from './model-plan.js';
import type { ModelQueue } from './model-queue.js';
import { Waiting } from './waiting.js';

/** One instance of a Model.call. It waits in the same queue as the methods' instances, so that they share batches. */
export class ModelCall extends Waiting {
  private constructor(
    instance: Instance,
    private readonly resolve: (outputs: Instance) => void,
    private readonly reject: (error: ServingError) => void,
    deadlineAt: number,
    call: object,
  ) {
    super(instance, deadlineAt, call, performance.now());
  }

  /** Rejects with ServingError (with the original's texts) before anything runs when an instance does not fit, else with the first failure. */
  static async start(queue: ModelQueue, instances: readonly Instance[], deadlineAt: number): Promise<readonly Instance[]> {
    const inputs = instances.map((instance, i) => checked(queue.plan, instance, i));
    const one = (instance: Instance): Promise<Instance> =>
      new Promise((resolve, reject) => queue.push(new ModelCall(instance, resolve, reject, deadlineAt, instances)));
    return Promise.all(inputs.map(one));
  }

  override advance(outputs: Instance): void {
    this.settled = true;
    this.resolve(outputs);
  }

  override fail(failure: Failure): void {
    this.settled = true;
    this.reject(ServingError.of(failure));
  }

  override expired(): Failure {
    return failureOf('deadline-exceeded');
  }
}

function checked(plan: ModelPlan, instance: Instance, index: number): Instance {
  const inputs = inputsOfCall(plan, instance);
  if (inputs === undefined) {
    throw new ServingError(
      'INVALID_ARGUMENT',
      `The inputs count ${instance.length} of instance ${index} is not equal to the inputs count ${plan.inputs.length} of the model`,
    );
  }
  const failure = checkInputs(plan, inputs);
  if (failure !== undefined) throw ServingError.of(failure);
  return inputs;
}
