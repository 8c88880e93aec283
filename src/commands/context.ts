/** What a command is handed; nothing else is read from the process. */
export type CommandContext = {
  env: NodeJS.ProcessEnv
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WritableStream
}
