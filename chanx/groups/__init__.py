"""Groups: who is a member here (`members`), the contract of a layer (`layer`), and the layers themselves."""
