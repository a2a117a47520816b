// What every page does: follow Airflow's choice of light or dark, copy addresses, open dialogs.

function followTheme() {
  // Airflow shows the page in a frame of its own site and marks its theme on its root element.
  let outer = null;
  try {
    outer = window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    outer = null; // framed by somebody else
  }
  if (!outer) return;
  document.documentElement.classList.add("framed");
  const follow = () => {
    const isDark = outer.classList.contains("dark") || outer.dataset.theme === "dark";
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
  };
  follow();
  new MutationObserver(follow).observe(outer, { attributes: true });
}

function copyAddress(button) {
  const told = button.textContent;
  navigator.clipboard.writeText(button.dataset.copy).then(
    () => {
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = told; }, 2000);
    },
    () => { button.textContent = button.dataset.copy; },
  );
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-close], #keys-button");
  if (!button) return;
  if (button.dataset.copy) copyAddress(button);
  else if (button.id === "keys-button") document.getElementById("keys").showModal();
  else button.closest("dialog").close();
});

followTheme();
