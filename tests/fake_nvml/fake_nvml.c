/* A stand-in for NVIDIA's libnvidia-ml.so.1 that answers from a recording, so that the real nvidia-ml-py can be tested
 * on a machine without a GPU. Signatures, structures and error numbers: https://docs.nvidia.com/deploy/nvml-api/
 *
 * HWCOMPAT_FAKE_NVML      the recording: lines `key=value`; `!NAME` as the value answers that error; a key that is not
 *                         there answers NOT_SUPPORTED.
 * HWCOMPAT_FAKE_NVML_LOG  a file to which the name of every called function is appended.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUCCESS 0
#define UNINITIALIZED 1
#define INVALID_ARGUMENT 2
#define NOT_SUPPORTED 3
#define NOT_FOUND 6
#define INSUFFICIENT_SIZE 7
#define UNKNOWN 999
#define MAX_LINES 512
#define MAX_PIDS 64

typedef struct {
    char busIdLegacy[16];
    unsigned int domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} PciInfo;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } MemoryV2;
typedef struct { unsigned int pid; unsigned long long usedGpuMemory; unsigned int gpuInstance, computeInstance; } Process;
typedef struct {
    unsigned int multiprocessors, copyEngines, decoders, encoders, jpegs, ofas, gpuSlices, computeSlices;
    unsigned long long memorySizeMB;
} Attributes;
typedef struct { unsigned int version; int sensor; int temperature; } TemperatureV1;

/* What the tests compare with nvidia-ml-py's own structures. */
const size_t fake_layout[] = {
    sizeof(PciInfo), offsetof(PciInfo, pciDeviceId), offsetof(PciInfo, pciSubSystemId), offsetof(PciInfo, busId),
    sizeof(Memory), offsetof(Memory, used),
    sizeof(MemoryV2), offsetof(MemoryV2, total), offsetof(MemoryV2, used),
    sizeof(Process), offsetof(Process, usedGpuMemory), offsetof(Process, computeInstance),
    sizeof(Attributes), offsetof(Attributes, gpuSlices), offsetof(Attributes, memorySizeMB),
    sizeof(TemperatureV1), offsetof(TemperatureV1, temperature),
};

static const struct { int code; const char *name; } ERRORS[] = {
    {1, "UNINITIALIZED"}, {2, "INVALID_ARGUMENT"}, {3, "NOT_SUPPORTED"}, {4, "NO_PERMISSION"}, {6, "NOT_FOUND"},
    {9, "DRIVER_NOT_LOADED"}, {10, "TIMEOUT"}, {12, "LIBRARY_NOT_FOUND"}, {13, "FUNCTION_NOT_FOUND"},
    {15, "GPU_IS_LOST"}, {16, "RESET_REQUIRED"}, {18, "LIB_RM_VERSION_MISMATCH"}, {999, "UNKNOWN"},
};

static char lines[MAX_LINES][256];
static int line_count, started;

static void called(const char *name) {
    const char *path = getenv("HWCOMPAT_FAKE_NVML_LOG");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) return;
    fprintf(file, "%s\n", name);
    fclose(file);
}

static void load(void) {
    const char *path = getenv("HWCOMPAT_FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    line_count = 0;
    while (file && line_count < MAX_LINES && fgets(lines[line_count], sizeof lines[0], file)) {
        lines[line_count][strcspn(lines[line_count], "\r\n")] = 0;
        if (lines[line_count][0] && lines[line_count][0] != '#') line_count++;
    }
    if (file) fclose(file);
}

static const char *lookup(const char *key) {
    size_t length = strlen(key);
    for (int i = 0; i < line_count; i++)
        if (!strncmp(lines[i], key, length) && lines[i][length] == '=') return lines[i] + length + 1;
    return NULL;
}

static int error_of(const char *value) {
    if (!value) return NOT_SUPPORTED;
    if (value[0] != '!') return SUCCESS;
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++)
        if (!strcmp(value + 1, ERRORS[i].name)) return ERRORS[i].code;
    return UNKNOWN;
}

/* The recorded answer to `fact`: of the machine (handle 0), of device.N, or of device.N.mig.M. */
static int answer(const char *function, void *handle, const char *fact, const char **value) {
    char key[96];
    size_t id = (size_t)handle, device = (id & 0xff) - 1, mig = (id >> 8) - 1;
    called(function);
    if (!started) return UNINITIALIZED;
    if (!id) snprintf(key, sizeof key, "%s", fact);
    else if (id >> 8) snprintf(key, sizeof key, "device.%zu.mig.%zu.%s", device, mig, fact);
    else snprintf(key, sizeof key, "device.%zu.%s", device, fact);
    *value = lookup(key);
    return error_of(*value);
}

static int text(const char *function, void *handle, const char *fact, char *out, unsigned int size) {
    const char *value;
    int code = answer(function, handle, fact, &value);
    if (code == SUCCESS) snprintf(out, size, "%s", value);
    return code;
}

static int number(const char *function, void *handle, const char *fact, unsigned long long *out) {
    const char *value;
    int code = answer(function, handle, fact, &value);
    if (code == SUCCESS) *out = strtoull(value, NULL, 0);
    return code;
}

static int small(const char *function, void *handle, const char *fact, unsigned int *out) {
    unsigned long long value = 0;
    int code = number(function, handle, fact, &value);
    if (code == SUCCESS) *out = (unsigned int)value;
    return code;
}

int nvmlInitWithFlags(unsigned int flags) {
    (void)flags;
    called("nvmlInitWithFlags");
    load();
    const char *value = lookup("init");
    int code = value ? error_of(value) : SUCCESS;
    started = code == SUCCESS;
    return code;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) {
    called("nvmlShutdown");
    if (!started) return UNINITIALIZED;
    started = 0;
    return SUCCESS;
}
const char *nvmlErrorString(int code) {
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++)
        if (ERRORS[i].code == code) return ERRORS[i].name;
    return "Unknown Error";
}

int nvmlSystemGetDriverVersion(char *out, unsigned int size) { return text(__func__, 0, "driver", out, size); }
int nvmlSystemGetCudaDriverVersion_v2(int *out) { return small(__func__, 0, "cuda", (unsigned int *)out); }
int nvmlSystemGetCudaDriverVersion(int *out) { return small(__func__, 0, "cuda", (unsigned int *)out); }
int nvmlDeviceGetCount_v2(unsigned int *out) { return small(__func__, 0, "count", out); }

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **out) {
    char key[64];
    snprintf(key, sizeof key, "device.%u", index);
    called(__func__);
    const char *value = lookup(key);
    *out = (void *)(size_t)(index + 1);
    return value ? error_of(value) : SUCCESS;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, void **out) {
    called(__func__);
    unsigned int domain, place, device, other[3];
    sscanf(bus, "%x:%x:%x", &domain, &place, &device);
    for (unsigned int index = 0; index < 8; index++) {
        char key[64];
        snprintf(key, sizeof key, "device.%u.pci", index);
        const char *value = lookup(key);
        if (!value || sscanf(value, "%x:%x:%x", &other[0], &other[1], &other[2]) != 3) continue;
        *out = (void *)(size_t)(index + 1);
        if (other[0] == domain && other[1] == place && other[2] == device) return SUCCESS;
    }
    return NOT_FOUND;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned int *out) { return small(__func__, handle, "power", out); }
int nvmlDeviceGetName(void *handle, char *out, unsigned int size) { return text(__func__, handle, "name", out, size); }

int nvmlDeviceGetPciInfo_v3(void *handle, PciInfo *out) {
    const char *value;
    int code = answer(__func__, handle, "pci", &value); /* bus id, device number, subsystem number */
    if (code != SUCCESS) return code;
    memset(out, 0, sizeof *out);
    sscanf(value, "%31s %x %x", out->busId, &out->pciDeviceId, &out->pciSubSystemId);
    sscanf(out->busId, "%x:%x:%x", &out->domain, &out->bus, &out->device);
    memcpy(out->busIdLegacy, out->busId + 4, 12); /* the old field holds four digits of the domain */
    return SUCCESS;
}
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    const char *value;
    int code = answer(__func__, handle, "compute_capability", &value);
    if (code == SUCCESS) sscanf(value, "%d.%d", major, minor);
    return code;
}
int nvmlDeviceGetMemoryInfo(void *handle, Memory *out) {
    unsigned long long total = 0;
    int code = number(__func__, handle, "memory", &total);
    if (code == SUCCESS) *out = (Memory){total, total, 0};
    return code;
}
int nvmlDeviceGetMemoryInfo_v2(void *handle, MemoryV2 *out) {
    unsigned long long total = 0;
    int code = number(__func__, handle, "memory", &total);
    if (code == SUCCESS) *out = (MemoryV2){out->version, total, 0, total, 0};
    return code;
}
int nvmlDeviceGetTotalEccErrors(void *handle, int type, int counter, unsigned long long *out) {
    return type == 1 && counter == 0 ? number(__func__, handle, "ecc_uncorrected", out) : INVALID_ARGUMENT;
}
int nvmlDeviceGetClockInfo(void *handle, int type, unsigned int *out) {
    return type == 1 ? small(__func__, handle, "sm_clock", out) : INVALID_ARGUMENT;
}
int nvmlDeviceGetMaxClockInfo(void *handle, int type, unsigned int *out) {
    return type == 1 ? small(__func__, handle, "sm_clock_max", out) : INVALID_ARGUMENT;
}
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned int *out) {
    return sensor == 0 ? small(__func__, handle, "temperature", out) : INVALID_ARGUMENT;
}
int nvmlDeviceGetTemperatureV(void *handle, TemperatureV1 *out) {
    unsigned int value = 0;
    int code = small(__func__, handle, "temperature", &value);
    if (code == SUCCESS) out->temperature = (int)value;
    return code;
}
int nvmlDeviceGetCurrentClocksEventReasons(void *handle, unsigned long long *out) {
    return number(__func__, handle, "throttle_reasons", out);
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *handle, unsigned long long *out) {
    return number(__func__, handle, "throttle_reasons", out);
}

static int processes(const char *function, void *handle, const char *fact, unsigned int *count, Process *out) {
    const char *value;
    unsigned int pids[MAX_PIDS], found = 0;
    int code = answer(function, handle, fact, &value);
    if (code != SUCCESS) return code;
    for (char *end; found < MAX_PIDS; value = end) {
        unsigned long pid = strtoul(value, &end, 10);
        if (end == value) break;
        pids[found++] = (unsigned int)pid;
    }
    unsigned int room = *count;
    *count = found;
    if (room < found) return INSUFFICIENT_SIZE;
    for (unsigned int i = 0; i < found && out; i++) out[i] = (Process){pids[i], 1 << 20, ~0u, ~0u};
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned int *count, Process *out) {
    return processes(__func__, handle, "compute_pids", count, out);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned int *count, Process *out) {
    return processes(__func__, handle, "graphics_pids", count, out);
}

int nvmlDeviceGetMigMode(void *handle, unsigned int *current, unsigned int *pending) {
    int code = small(__func__, handle, "mig_mode", current);
    if (code == SUCCESS) *pending = *current;
    return code;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned int *out) { return small(__func__, handle, "mig_slots", out); }
int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned int index, void **out) {
    char key[64];
    size_t id = (size_t)handle;
    snprintf(key, sizeof key, "device.%zu.mig.%u.name", (id & 0xff) - 1, index);
    called(__func__);
    if (!lookup(key)) return NOT_FOUND;
    *out = (void *)(id | ((size_t)(index + 1) << 8));
    return SUCCESS;
}
int nvmlDeviceGetAttributes_v2(void *handle, Attributes *out) {
    unsigned long long bytes = 0;
    memset(out, 0, sizeof *out);
    int code = small(__func__, handle, "gpu_slices", &out->gpuSlices);
    if (number(__func__, handle, "memory", &bytes) == SUCCESS) out->memorySizeMB = bytes >> 20;
    return code;
}

/* They exist so that a test can prove that nobody calls them. */
int nvmlDeviceGetUUID(void *handle, char *out, unsigned int size) { return text(__func__, handle, "uuid", out, size); }
int nvmlDeviceGetSerial(void *handle, char *out, unsigned int size) { return text(__func__, handle, "serial", out, size); }
