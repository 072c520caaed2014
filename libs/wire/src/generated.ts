/**
 * The messages of `proto/`, as ts-proto generates them: `@mserve/wire/gen`. For clients and specs; the server reads and writes its messages
 * with the protobuf reader and writer, and does not load these.
 */
export * as msProto from './gen/mindspore_serving/proto/ms_service.js';
export * as oipProto from './gen/inference/grpc_service.js';
export * as busProto from './gen/mserve/bus/v1/dispatch.js';
