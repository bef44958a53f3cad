// A stand-in for OpenClaw's plugin @openclaw/acpx, whose version 2026.9.6 is not on npm. It registers the acpx
// runtime (npm acpx 0.19.1) as the ACP backend of OpenClaw's core; both of these are real. What the official
// plugin does besides (process leases, scrubbing of the environment, its MCP servers) is not here.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AcpxRuntime, createAgentRegistry, createFileSessionStore } from "acpx/runtime";
import {
  registerAcpRuntimeBackend,
  tryDispatchAcpReplyHook,
  unregisterAcpRuntimeBackend,
} from "openclaw/plugin-sdk/acp-runtime-backend";

const BACKEND = "acpx";
const TURN_LIMIT_MS = 10 * 60 * 1000;

// The official plugin's tools bridge is an MCP server whose environment names the child's session. An ACP agent
// sees that environment in session/new; this server is one that ends at once.
function toolsBridge(session) {
  const key = { name: "OPENCLAW_TOOLS_MCP_AGENT_SESSION_KEY", value: session.sessionKey };
  return { name: "openclaw-tools", command: process.execPath, args: ["--eval", ""], env: [key] };
}

// Two names mean something else in acpx 0.19 than OpenClaw 2026.9.6 expects of a backend: the core must not see
// `ownerAwareSessions`, and `prepareFreshSession` must be called with a handle only.
function asCoreExpects(runtime) {
  return new Proxy(runtime, {
    get(inner, property) {
      if (property === "ownerAwareSessions") return undefined;
      if (property === "prepareFreshSession") {
        return async (request) => (request?.handle ? inner.prepareFreshSession(request) : undefined);
      }
      const member = inner[property];
      return typeof member === "function" ? member.bind(inner) : member;
    },
  });
}

export default {
  id: BACKEND,
  name: "Dash's tests: ACP backend",
  description: "The acpx runtime of npm, registered as OpenClaw's ACP backend",
  register(api) {
    let runtime;
    const commands = Object.fromEntries(
      Object.entries(api.pluginConfig?.agents ?? {}).map(([id, agent]) => [id, [agent.command, ...(agent.args ?? [])]]),
    );
    api.registerService({
      id: "acpx-runtime",
      async start(context) {
        const stateDir = join(context.stateDir, "acpx");
        mkdirSync(stateDir, { recursive: true });
        runtime = new AcpxRuntime({
          cwd: context.workspaceDir ?? process.cwd(),
          agentRegistry: createAgentRegistry({ overrides: commands }),
          sessionStore: createFileSessionStore({ stateDir }),
          mcpServers: (session) => [toolsBridge(session)],
          permissionMode: "approve-all",
          nonInteractivePermissions: "deny",
          timeoutMs: TURN_LIMIT_MS,
        });
        registerAcpRuntimeBackend({ id: BACKEND, runtime: asCoreExpects(runtime) });
      },
      async stop() {
        unregisterAcpRuntimeBackend(BACKEND);
        await runtime?.shutdown?.();
      },
    });
    api.on("reply_dispatch", tryDispatchAcpReplyHook);
  },
};
