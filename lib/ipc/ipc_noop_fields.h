/* SPDX-License-Identifier: ISC */
/* For users of ipc_table.h that look at rows only. */
#define IPC_U8(f)
#define IPC_U32(f)
#define IPC_U64(f)
#define IPC_STR(f, most)
#define IPC_BYTES(f, most)
#define IPC_END(name)
