import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["node_modules"] },
  {
    files: ["src/**/*.{ts,tsx}"],
    extends: [...tseslint.configs.strict, ...tseslint.configs.stylistic],
    plugins: { "react-hooks": hooks },
    rules: {
      ...hooks.configs.recommended.rules,
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_" }],
      // The table re-renders whenever the virtualizer says so; there is nothing to memoize.
      "react-hooks/incompatible-library": "off",
      "max-lines": ["error", 250],
      "no-restricted-properties": ["error", { property: "innerHTML", message: "Text from the cluster is text." }],
      "no-restricted-syntax": ["error", { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "Text from the cluster is text." }],
    },
  },
);
