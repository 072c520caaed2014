import { functionRunnerContract } from './function-runner.contract.js';

functionRunnerContract('process');
