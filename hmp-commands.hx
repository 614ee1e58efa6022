
    {
        .name       = "memory-device-resize",
        .args_type  = "id:s,size:s",
        .params     = "id size",
        .help       = "ask the guest to resize the memory device 'id' to 'size' (in MiB; suffixes such as 40G work)",
        .cmd        = hmp_memory_device_resize,
        .command_completion = memory_device_resize_completion,
    },

SRST
``memory-device-resize`` *id* *size*
  Ask the guest to change how much memory the resizable memory device *id*
  provides. *size* is the new total: a bare number is in MiB, and the suffixes
  k, M, G and T work. It must be a multiple of the device's block size, from 0
  to the size of its memory backend. The guest plugs or unplugs memory on its
  own; ``info memory-devices`` shows the progress.
ERST
