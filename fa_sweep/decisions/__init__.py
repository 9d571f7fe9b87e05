"""How many seeds a sweep needs: plans made before it, and rules that decide during it when to stop."""
