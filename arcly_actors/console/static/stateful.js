// What has a state, and a text that says more of it; "state" events follow every change of either.
export class Stateful extends EventTarget {
  state = "idle";
  detail = "";

  // For the class itself.
  _set(state, detail = "") {
    if (state === this.state && detail === this.detail) return;
    this.state = state;
    this.detail = detail;
    this.dispatchEvent(new Event("state"));
  }
}
