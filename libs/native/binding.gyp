{
  'targets': [
    {
      'target_name': 'mserve_native',
      'sources': [
        'src/native/acl/acl_backend.cc',
        'src/native/acl/acl_device.cc',
        'src/native/acl/acl_library.cc',
        'src/native/acl/acl_model.cc',
        'src/native/acl/om_header.cc',
        'src/native/addon.cc',
        'src/native/ascend_claim.cc',
        'src/native/backend_registry.cc',
        'src/native/connection.cc',
        'src/native/native_session.cc',
        'src/native/open_request.cc',
        'src/native/session_core.cc',
        'src/native/settlement.cc',
        'src/native/thread_cores.cc',
        'src/native/onnx/model_file.cc',
        'src/native/onnx/external_data.cc',
        'src/native/onnx/model_scan.cc',
        'src/native/onnx/proto_fields.cc',
        'src/native/nvidia/cuda_driver.cc',
        'src/native/onnxruntime/ort_backend.cc',
        'src/native/onnxruntime/ort_description.cc',
        'src/native/onnxruntime/ort_lane.cc',
        'src/native/onnxruntime/ort_library.cc',
        'src/native/onnxruntime/ort_providers.cc',
        'src/native/onnxruntime/ort_session.cc',
        'src/native/onnxruntime/ort_strings.cc',
        'src/native/onnxruntime/ort_threads.cc',
        'src/native/traps/division_guard.cc',
        'src/native/traps/x86_division.cc'
      ],
      'include_dirs': ['src/native', '<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_DEPRECATED', 'NAPI_DISABLE_CPP_EXCEPTIONS', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      'cflags!': ['-fno-exceptions', '-O3'],
      'cflags_cc!': ['-fno-exceptions', '-O3', '-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20', '-O2', '-fvisibility=hidden', '-fexceptions', '-Wall', '-Wextra', '-Wno-cast-function-type', '-pthread'],
      'ldflags': ['-pthread'],
      'libraries': ['-ldl'],
      'xcode_settings': {
        'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
        'CLANG_CXX_LIBRARY': 'libc++',
        'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
        'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
        'MACOSX_DEPLOYMENT_TARGET': '12.0',
        'OTHER_CFLAGS': ['-O2', '-Wall', '-Wextra']
      }
    }
  ]
}
