
/* virtio-mem: memory-device-resize */
void hmp_memory_device_resize(Monitor *mon, const QDict *qdict);
void memory_device_resize_completion(ReadLineState *rs, int nb_args,
                                     const char *str);

/*
 * virtio-mem: the end of what info memory-devices prints of a device
 *
 * @verbose: with the counters, too
 */
struct VirtioMEMDeviceInfo;
void hmp_info_virtio_mem(Monitor *mon, const struct VirtioMEMDeviceInfo *info,
                         bool verbose);
