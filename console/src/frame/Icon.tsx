/** Line drawings for the rail and the bar. */

const DRAWINGS: Record<string, string> = {
  "flow-logs": "M3 6h9m-3-3l3 3l-3 3M17 14H8m3-3l-3 3l3 3",
  map: "M4 10a2 2 0 1 0 0 .01M16 4.5a2 2 0 1 0 0 .01M16 15.5a2 2 0 1 0 0 .01M6 9.2l8-3.8M6 10.8l8 3.8",
  policies: "M3 3.5h4v13H3zM8.5 3.5h4v9h-4zM14 3.5h3.5v6H14z",
  endpoints: "M3 3h6v6H3zM11.5 3H17v6h-5.5zM3 11.5h6V17H3zM11.5 11.5H17V17h-5.5z",
  visitor: "M10 3.5a3 3 0 1 0 0 6a3 3 0 1 0 0-6M4 16.5c.6-3 3-4.5 6-4.5s5.4 1.5 6 4.5",
  system: "M3 4h14v9H3zM7.5 16.5h5",
  light: "M10 6.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 1 0 0-7M10 2v2m0 12v2M2 10h2m12 0h2M4.5 4.5l1.3 1.3m8.4 8.4l1.3 1.3m0-11l-1.3 1.3m-8.4 8.4l-1.3 1.3",
  dark: "M15.5 12.5A6.5 6.5 0 0 1 7.5 4.5a6.5 6.5 0 1 0 8 8z",
};

export function Icon({ name }: { name: string }) {
  if (name === "brand") {
    return (
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <path className="brand-face" d="M5 5l6 5h10l6-5v13a11 9 0 0 1-22 0z" />
        <circle className="brand-eye" cx="11.5" cy="17" r="2.2" />
        <rect className="brand-eye" x="18.6" y="14.9" width="4.2" height="4.2" />
      </svg>
    );
  }
  return (
    <svg className="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <path d={DRAWINGS[name] ?? ""} />
    </svg>
  );
}
