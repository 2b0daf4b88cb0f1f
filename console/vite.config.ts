import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** `npm run dev` talks to the hub at OCICAT_HUB, or to the mock hub inside the same process. */
function mockHub(): Plugin {
  return {
    name: "mock-hub",
    apply: "serve",
    async configureServer(server) {
      if (process.env.OCICAT_HUB || process.env.VITEST) return;
      const { Hub } = await import("./mock/hub.mjs");
      const { Streams } = await import("./mock/stream.mjs");
      const { listener } = await import("./mock/server.mjs");
      const hub = new Hub({ workloads: Number(process.env.WORKLOADS ?? 30), scenario: process.env.SCENARIO ?? "default" });
      const answers = listener(hub, new Streams(hub));
      server.middlewares.use((request, response, next) => {
        if (!answers(request, response)) next();
      });
    },
  };
}

const hub = process.env.OCICAT_HUB;

export default defineConfig({
  base: "./",
  plugins: [react(), mockHub()],
  server: { host: "127.0.0.1", ...(hub ? { proxy: { "/api": hub, "/whisker-backend": hub } } : {}) },
  build: {
    outDir: "../src/ocicat/api/console",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
