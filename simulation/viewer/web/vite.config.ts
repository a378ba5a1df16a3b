import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/** Writes a digest of the sources, so that a test notices a page that was not built again. */
function stamp(): Plugin {
  return {
    name: "stamp",
    generateBundle() {
      const hash = createHash("sha256");
      for (const file of [...readdirSync("src").map((name) => `src/${name}`), "index.html", "package-lock.json"].sort()) {
        hash.update(`${file}\n`).update(readFileSync(file));
      }
      this.emitFile({ type: "asset", fileName: "sources.sha256", source: `${hash.digest("hex")}\n` });
    },
  };
}

/** Writes the licences of the libraries that are inside the scripts. */
function licences(): Plugin {
  return {
    name: "licences",
    generateBundle() {
      const names = Object.keys(JSON.parse(readFileSync("package.json", "utf8")).dependencies);
      const texts = names.map((name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim()}\n`);
      this.emitFile({ type: "asset", fileName: "licences.txt", source: texts.join(`\n${"-".repeat(80)}\n\n`) });
    },
  };
}

// One script and one style sheet under plain names: the saved page puts both into one file. The three-dimensional view
// is a second script that shares no file with the first, so that a saved page can carry it as it is.
export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: mode === "view3d" ? [] : [stamp(), licences()],
  publicDir: false,
  build: {
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 100_000,
    chunkSizeWarningLimit: 900,
    emptyOutDir: mode !== "view3d",
    rollupOptions: {
      ...(mode === "view3d" ? { input: "src/view3d.ts", preserveEntrySignatures: "strict" as const } : {}),
      output: { entryFileNames: mode === "view3d" ? "view3d.js" : "app.js", assetFileNames: "app[extname]", codeSplitting: false },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8421" } },
}));
