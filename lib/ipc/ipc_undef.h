/* SPDX-License-Identifier: ISC */
/* After each use of ipc_table.h. */
#undef IPC_BEGIN
#undef IPC_U8
#undef IPC_U32
#undef IPC_U64
#undef IPC_STR
#undef IPC_BYTES
#undef IPC_END
