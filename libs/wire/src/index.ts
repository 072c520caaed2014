export * from './dtype.js';
export * from './tensor.js';
export * from './serving-error.js';
export * from './signature.js';
export * from './ticket.js';
export * as msProto from './gen/mindspore_serving/proto/ms_service.js';
export * as oipProto from './gen/inference/grpc_service.js';
export * as busProto from './gen/mserve/bus/v1/dispatch.js';
